"""Files on their way to a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lyftlearn_image.emulation.aws.endpoint import aws_endpoint
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.services.staging import Stager

if TYPE_CHECKING:
    from pathlib import Path


def test_staging_takes_files_that_packages_ship_and_each_once(tmp_path: Path) -> None:
    """A channel may name a package's file; the package is not imported, and equal sources share a prefix."""
    with aws_endpoint("127.0.0.1") as endpoint:
        s3 = endpoint.s3()
        s3.create_bucket(Bucket="bucket")
        stager = Stager(s3, "bucket")
        first = stager.stage("package:sklearn/datasets/data/iris.csv", relative_to=tmp_path)
        assert stager.stage("package:sklearn/datasets/data/iris.csv", relative_to=tmp_path) == first
        assert stager.stage("s3://other/prefix/", relative_to=tmp_path) == "s3://other/prefix/"
        for missing in ("none.csv", "package:nosuchpackage/x.csv", "package:sklearn/nosuch.csv"):
            with pytest.raises(InvalidInputError, match="there is no"):
                stager.stage(missing, relative_to=tmp_path)
