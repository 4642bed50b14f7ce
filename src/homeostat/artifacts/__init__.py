"""What trainings leave behind and everything else reads: bundles, signatures, baselines, datasets, snapshots, outcomes.

Formats, digests and their verification are defined here once, for pipelines, operators and services. Nothing in this package
imports pyarrow, onnxruntime or an engine; how a table or a graph is read stays with those who read it.

========== ==========================================================================================
bundle     content-addressed folders: `manifest.json`, digests, their verification, `BundleRef`
storage    bundles in an object store: `store` and `fetch`
model      files of a model bundle: `model.onnx`, `signature.json`, `baseline.json`, `examples.json`
signature  `signature.json`: what a model takes and gives
dataset    files and columns of a dataset bundle, and which entities belong to the holdout
outcomes   columns of the outcomes that the observer exports and trainings read as labels
features   a FeatureSet as runs read it, and the hash of its schema
layout     where all of them lie in the bucket
========== ==========================================================================================
"""
