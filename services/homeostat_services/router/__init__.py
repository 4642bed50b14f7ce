"""Traffic: Envoy's clusters and weights by REST xDS, and Prometheus' targets, from what the API server says.

`state` holds what was seen, `watch` fills it, `xds` renders it for Envoy, `targets` for Prometheus, `app` serves both.
"""
