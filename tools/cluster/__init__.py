"""A real Kubernetes on one bare Linux machine, and the images that run on it.

`up.py` brings it up, `down.py` takes it away. Everything runs in the cluster's own network and mount namespaces and
below its own cgroup: when the last process has ended, its interfaces, firewall rules, sysctls and mounts are gone with
the namespaces, and nothing needs to be undone on the host.
"""
