from click.testing import CliRunner

from bench.quality.flicker import flicker


def test_the_table_has_the_truth_and_both_directions() -> None:
    said = ["synthetic-organoids-cyclegan", "--seeds", "1", "--size", "64", "--planes", "2"]
    done = CliRunner().invoke(flicker, said)
    assert done.exit_code == 0, done.output
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in done.output.splitlines()[2:]]
    assert rows[0] == ["what", "direction", "DAPI", "PH3", "ZO1"]
    assert [row[:2] for row in rows[2:]] == [
        [what, f"{source} → {target}"]
        for what in ("the disease itself", "synthetic-organoids-cyclegan")
        for source, target in (("healthy", "diseased"), ("diseased", "healthy"))
    ]
    # the disease leaves ZO1 alone
    assert float(rows[2][4]) == 0 < float(rows[2][2])
