"""An S3 unlike the embedded one, for the contract of object stores: another region, and buckets in the host."""
