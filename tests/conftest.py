"""For every test: logs as plain lines.

structlog's own choice renders a traceback with all locals, which takes longer than the patience of a test on a busy machine.
"""

import structlog

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
