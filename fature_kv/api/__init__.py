"""The HTTP API: controllers parse, authorise, call one function and answer.

`application.create_app` puts it together, `server.serve` runs it. Every error is a problem document (problems.py),
every request begins with its token (session.py), every read is a generator of `fature_kv.figures` that
`async_store.AsyncStore` carries out.
"""
