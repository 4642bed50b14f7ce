"""Traffic: Envoy's clusters and weights by REST xDS, and Prometheus' targets, from what the API server says.

`state` holds the newest state, `resources` reads it from objects, `xds` renders it for Envoy, `targets` for Prometheus,
`app` serves both.
"""
