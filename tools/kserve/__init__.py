"""The kind InferenceService as KServe's pinned Go module defines it: what the engine KServe is held against."""
