"""PySpark sessions as the tests use them."""

import contextlib
import logging
import threading

import grpc
from pyspark.sql import SparkSession
from pyspark.sql.connect.client import DefaultChannelBuilder
from pyspark.sql.connect.session import SparkSession as ConnectSession


# PySpark logs each error of a query with all its stack frames, also one that a test expects.
logging.getLogger("SQLQueryContextLogger").disabled = True


@contextlib.contextmanager
def session(url):
    """A session of its own, released at the end of the block when that is still possible."""
    spark = SparkSession.builder.remote(url).create()
    try:
        yield spark
    finally:
        stop(spark)


def stop(spark):
    with contextlib.suppress(Exception):  # Its server may be gone; that was the point of the test.
        spark.stop()
    # One that could not be released would stay the thread's active session, which functions of all others ask.
    if getattr(ConnectSession._active_session, "session", None) is spark:
        ConnectSession._active_session.session = None
    if ConnectSession._default_session is spark:
        ConnectSession._default_session = None


def driver_pid(spark):
    """The process that serves this session."""
    return int(spark.sql("SELECT java_method('java.lang.ProcessHandle', 'current')").first()[0])


def slow_query(spark, seconds):
    """One row, after `seconds` on the server: a DataFrame that has not run yet."""
    return spark.sql(f"SELECT java_method('java.lang.Thread', 'sleep', {int(seconds * 1000)}L) AS nothing, 42 AS answer")


class CallCounter(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Counts the calls that a client starts, by method."""

    def __init__(self):
        self._lock = threading.Lock()
        self._calls = {}  # Guarded by _lock.

    def __getitem__(self, method):
        with self._lock:
            return self._calls.get(method, 0)

    def _pass_on(self, continuation, details, request):
        method = details.method.rsplit("/", 1)[1]
        with self._lock:
            self._calls[method] = self._calls.get(method, 0) + 1
        return continuation(details, request)

    intercept_unary_unary = _pass_on
    intercept_unary_stream = _pass_on


def counted_session(url):
    """A session, and the counter of its calls."""
    counter = CallCounter()
    builder = DefaultChannelBuilder(url)
    builder.add_interceptor(counter)
    return ConnectSession.builder.channelBuilder(builder).create(), counter
