"""ModelDeployment: a model in realtime service, behind a gate, by canary, taken back by itself."""
