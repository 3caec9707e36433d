"""Reads: what Redis holds, as the answers of CONTRACT.md.

A read is a generator without I/O (reading.py): it says what to ask, is sent the replies and returns an answer
(answers.py). `reading.run(store, read)` carries it out for a terminal, the API's own runner for HTTP. Each takes a
`Tenant` (tenant.py) and a `Viewer` (viewer.py), and needs two round trips at most.
"""
