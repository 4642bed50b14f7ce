"""Names and numbers on which the platform's parts agree, and which the chart repeats."""

PLATFORM_SECRET = "homeostat-platform"  # noqa: S105 - the name of a Secret
"""Secret of a namespace with the addresses and credentials that runs and predictors read."""

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Keys of that Secret from which HTTP clients take a proxy."""

USER_ID = 65532
"""User and group of every container; it owns nothing."""

HTTP_PORT = 8080
"""Port of every component's API, health and metrics."""
