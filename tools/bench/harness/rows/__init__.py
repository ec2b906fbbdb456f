"""All rows, in the order of the table."""

from . import memory, other, streams, unary


def all_rows(bench):
    rows = [*unary.rows(bench), *streams.rows(bench), *memory.rows(bench), *other.rows(bench)]
    order = ["U1", "U2", "U3", "S1", "S3", "S4", "T1", "T2", "M1", "M2", "G1", "X1", "R1"]
    return sorted(rows, key=lambda row: order.index(row.name))
