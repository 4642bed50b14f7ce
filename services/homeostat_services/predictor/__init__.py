"""Realtime inference by the Open Inference Protocol v2, observed on the request path.

`model` loads and checks, `protocol` is the wire, `service` answers a request, `counters` and `predictions` record it,
`app` is the HTTP interface: Granian (RSGI) and msgspec where it is hot, FastAPI for the rest.
"""
