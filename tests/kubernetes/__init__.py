"""A Kubernetes of the tests' own: an API server in this process, and a kubelet whose pods are local processes."""
