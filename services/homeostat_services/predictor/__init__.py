"""Realtime inference by the Open Inference Protocol v2 and Seldon's protocol v1, observed on the request path.

`model` loads and checks; `bodies`, `encodings`, `documents`, `protocol`, `binary` and `seldon` are the wire; `rows` and `values`
are what a request gives, whatever its protocol; `service` predicts; `counters` and `prediction_log` record; `endpoints`, `routes`
and `app` are the HTTP interface on Granian (RSGI).
"""
