"""Where a bucket is, for writing: as it is for reading."""

import pytest

from pixi_mirror.publish.store_settings import bucket_url


@pytest.mark.parametrize(
    ("bucket", "endpoint", "in_path", "url"),
    [
        ("team", "https://store.example", False, "https://team.store.example"),
        ("team", "https://store.example/", True, "https://store.example/team"),
        ("team", "http://store.example:9000", False, "http://team.store.example:9000"),
        ("team", "http://192.0.2.1:9000", False, "http://192.0.2.1:9000/team"),
        ("team", "http://[2001:db8::1]:9000", False, "http://[2001:db8::1]:9000/team"),
        ("team.of.us", "https://store.example", False, "https://store.example/team.of.us"),
        ("team.of.us", "http://store.example", False, "http://team.of.us.store.example"),
        ("Team_1", "https://store.example", False, "https://store.example/Team_1"),
        ("t", "https://store.example", False, "https://store.example/t"),
    ],
)
def test_a_bucket_is_in_the_name_of_the_host_where_it_can_be(bucket, endpoint, in_path, url):
    pytest.importorskip("botocore")
    from botocore.config import Config
    from botocore.session import Session

    assert bucket_url(bucket, endpoint, in_path=in_path) == url
    client = Session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path" if in_path else "virtual"}),
    )
    signed = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
    assert signed.partition("?")[0] == f"{url}/key", "the library that reads has it elsewhere"
