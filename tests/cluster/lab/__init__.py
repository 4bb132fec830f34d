"""A three-host cluster on one machine, for tests; start with cluster.py (class Cluster) or `python3 -m tests.cluster.lab`.

A test says `with Cluster(stage="build/stage", pvcd=True) as cluster:` and then uses the parts: `cluster.host("n1")` (power,
commands, files, journal), `cluster.bmc("n1")`, `cluster.net` (partitions), `cluster.ceph`, `cluster.zookeeper`,
`cluster.guests`. Every wait is bounded; what cannot be done is a LabError.

This file imports nothing on purpose: the supervisors and the BMC hooks start a fresh interpreter for every power act, and
should load only what they use.
"""
