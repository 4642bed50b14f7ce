"""Small SVG drawings, made on the server; colours come from the page's style sheet."""

from collections.abc import Sequence

from markupsafe import Markup

from homeostat.api.v1alpha1.gate import MetricComparison
from homeostat.views.monitors import SignalView

WIDTH, HEIGHT, MARGIN = 240.0, 48.0, 6.0


def number(value: float) -> str:
    """A figure of any unit: four significant digits, and whole ones from ten thousand on, with thousands apart."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def _scaled(value: float, low: float, high: float, length: float = WIDTH) -> float:
    share = 0.5 if high == low else (value - low) / (high - low)
    return round(MARGIN + min(1.0, max(0.0, share)) * (length - 2 * MARGIN), 1)


def bullet(signal: SignalView) -> Markup:
    """A value with its interval against the threshold; the side of the breach is shaded."""
    if signal.value is None:
        return Markup("")
    numbers = [n for n in (signal.value, signal.lower, signal.upper, signal.threshold) if n is not None]
    spread = max(max(numbers) - min(numbers), abs(signal.threshold) * 0.5, 1e-9)
    low, high = min(numbers) - spread * 0.2, max(numbers) + spread * 0.2
    bound, x = _scaled(signal.threshold, low, high), _scaled(signal.value, low, high)
    above = signal.operator == "above"
    start, width = (bound, WIDTH - MARGIN - bound) if above else (MARGIN, bound - MARGIN)
    parts = [
        Markup('<rect class="track" x="{}" y="20" width="{}" height="8" rx="4"/>').format(MARGIN, WIDTH - 2 * MARGIN),
        Markup('<rect class="breach" x="{}" y="20" width="{}" height="8" rx="4"/>').format(start, max(0.0, width)),
    ]
    if signal.lower is not None and signal.upper is not None:
        left, right = _scaled(signal.lower, low, high), _scaled(signal.upper, low, high)
        parts.append(Markup('<line class="interval" x1="{}" x2="{}" y1="24" y2="24"/>').format(left, right))
    parts.append(Markup('<line class="bound" x1="{0}" x2="{0}" y1="12" y2="36"/>').format(bound))
    parts.append(Markup('<circle class="value {}" cx="{}" cy="24" r="6"/>').format(signal.tone, x))
    label = f"{signal.name} is {number(signal.value)}; it breaches {signal.operator} {number(signal.threshold)}"
    return _svg(parts, label, HEIGHT)


def sparkline(values: Sequence[float], threshold: float) -> Markup:
    """Judged windows, oldest first, with the threshold; nothing before there are two of them."""
    if len(values) < 2:
        return Markup("")
    low, high = min(*values, threshold), max(*values, threshold)
    step = (WIDTH - 2 * MARGIN) / (len(values) - 1)

    def y(value: float) -> float:
        return round(HEIGHT - _scaled(value, low, high, HEIGHT), 1)

    points = " ".join(f"{MARGIN + i * step:.1f},{y(value)}" for i, value in enumerate(values))
    parts = [
        Markup('<line class="bound" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            MARGIN, WIDTH - MARGIN, y(threshold), y(threshold)
        ),
        Markup('<polyline class="spark" points="{}"/>').format(points),
        Markup('<circle class="last" cx="{}" cy="{}" r="3"/>').format(WIDTH - MARGIN, y(values[-1])),
    ]
    return _svg(parts, f"the last {len(values)} windows, newest {number(values[-1])}", HEIGHT)


def difference(metric: MetricComparison) -> Markup:
    """Challenger against champion with the 95 % interval around it; right of the middle is better."""
    if metric.difference is None or metric.lower is None or metric.upper is None:
        return Markup("")
    value, lower, upper = float(metric.difference), float(metric.lower), float(metric.upper)
    reach = max(abs(value), abs(lower), abs(upper), 1e-9) * 1.1
    left, right, x, zero = (_scaled(n, -reach, reach) for n in (lower, upper, value, 0.0))
    tone = "good" if lower > 0 else "bad" if upper < 0 else "idle"
    parts = [
        Markup('<line class="zero" x1="{0}" x2="{0}" y1="2" y2="22"/>').format(zero),
        Markup('<line class="interval {}" x1="{}" x2="{}" y1="12" y2="12"/>').format(tone, left, right),
        Markup('<circle class="value {}" cx="{}" cy="12" r="5"/>').format(tone, x),
    ]
    return _svg(parts, f"{metric.name}: difference {number(value)}, from {number(lower)} to {number(upper)}", 24.0)


def _svg(parts: Sequence[Markup], label: str, height: float) -> Markup:
    opening = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, height, label)
    return opening + Markup("").join(parts) + Markup("</svg>")
