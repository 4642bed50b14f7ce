"""Commands of the repository: the local Kubernetes, images, the demo, and the runner of its tests."""
