"""What the console and the command line show, computed from manifests of the four kinds and their Events.

Pure but for `snapshot.read_snapshot`. Numbers are shown as the status gives them: nothing is rounded that a decision was
made on.
"""
