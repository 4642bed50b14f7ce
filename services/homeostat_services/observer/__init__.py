"""The observer: what was predicted, what came of it, and how the business fares.

`messages` is the wire, `tables` and `migrations` the database, `store` all reads and writes of it, `export` the copies
of labelled outcomes in the object store, `app` the HTTP interface.
"""
