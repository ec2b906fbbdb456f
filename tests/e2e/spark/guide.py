"""The guide's FreshTokenChannels reread their file.

Arguments: a URL, the file, and texts that it has one after the other: good, bad, good. The guide's module is in PYTHONPATH.
"""

import pathlib
import sys

from fresh_token import FreshTokenChannels
from pyspark.sql.connect.session import SparkSession


def guide(url, path, good, bad, better):
    file = pathlib.Path(path)
    file.write_text(good)
    spark = SparkSession.builder.channelBuilder(FreshTokenChannels(url, path)).getOrCreate()
    assert spark.range(5).count() == 5
    file.write_text(bad)
    try:
        spark.range(5).count()
    except Exception as error:
        assert "The token's signature is wrong" in str(error), error
    else:
        raise AssertionError("a bad token was accepted")
    file.write_text(better)
    assert spark.range(5).count() == 5
    spark.stop()
    print("the file was read again")


if __name__ == "__main__":
    guide(*sys.argv[1:])
