"""Runs: materialisation of FeatureSets, the training pipelines, evaluation; each started by an operator's Job."""

from homeostat import threads

# Here and not in `__main__`, because Kubeflow's executor imports the steps alone; and before numpy and scikit-learn,
# which read their number of threads when they are loaded.
threads.configure()
