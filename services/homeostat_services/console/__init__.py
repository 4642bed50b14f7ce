"""The console: the loop on one live page, a read API, and the API trigger of trainings.

`cluster` reads and creates objects, `view` turns them into what the page shows (pure), `charts` draws, `trigger` plans
a TrainingJob from a request (pure), `pages` and `api` are the HTTP interface, `live` keeps browsers up to date.
"""
