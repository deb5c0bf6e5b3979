"""The host collector against the real node_exporter on this machine: every series that it has and we
collect, we have too, with the same labels, type and help; and the client library's page against
promtool."""
import os
import re
import subprocess

from peers import BUILD, peer
from server import ask, free_port, wait_for

RELEASE_ONLY = True
# What we leave out on purpose: src/collect/README.md says why.
NOT_OURS = re.compile(r"node_(exporter_build_info|selinux_enabled|textfile_scrape_error|udp_queues|scrape_collector_.*"
                      r"|(hwmon|thermal_zone|cooling_device|cpu_(core|package|frequency|scaling)|schedstat|nvme|dmi"
                      r"|edac|rapl|power_supply|mdadm|md|zfs|xfs|btrfs|bonding|infiniband|ipvs|nfsd?|disk_ata"
                      r"|disk_filesystem|disk_device_mapper|tape|drm|fibrechannel|bcache)_.*)$")


def node_exporter_page():
    port = free_port()
    # Debian's build leaves out more than upstream: give it upstream's patterns.
    p = subprocess.Popen([peer("prometheus-node-exporter"), f"--web.listen-address=127.0.0.1:{port}",
                          "--collector.tcpstat", "--log.level=error", "--collector.netdev.device-exclude=^$",
                          "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys"
                          "|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"])
    try:
        def page():
            assert p.poll() is None, f"node_exporter exited with {p.returncode}"
            answer = ask(port, "GET", "/metrics")
            return answer.status == 200 and answer.text

        return wait_for("node_exporter's page", page)
    finally:
        p.kill()
        p.wait()


def parse(text):
    kinds, helps, series = {}, {}, set()
    for line in text.splitlines():
        head = re.match(r"# (TYPE|HELP) (\S+) (.*)", line)
        if head:
            (kinds if head[1] == "TYPE" else helps)[head[2]] = head[3]
        elif line and line[0] != "#":
            sample = re.match(r"([\w:]+)(?:\{(.*)\})? \S+$", line)
            labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', sample[2] or "")
            series.add((sample[1], tuple(sorted((k, v) for k, v in labels if v and k not in ("job", "instance")))))
    return kinds, helps, series


def test_host_series_are_those_of_node_exporter():
    bench = os.path.join(BUILD, "src", "collect", "collect_bench")
    # This host lives: what it had before and after our look, we must have seen, and nothing it had in neither.
    theirs = parse(node_exporter_page())
    ours = parse(subprocess.run([bench, "page"], check=True, capture_output=True, text=True).stdout)
    later = parse(node_exporter_page())
    ever = theirs[2] | later[2]
    wanted = {s for s in theirs[2] & later[2] if s[0].startswith("node_") and not NOT_OURS.match(s[0])}
    assert len(wanted) > 200, f"only {len(wanted)} series in node_exporter's page"
    missing = sorted(wanted - ours[2])
    assert not missing, f"{len(missing)} series missing: {missing[:10]}"
    for name in {s[0] for s in wanted}:
        assert ours[0].get(name) == theirs[0][name], f"{name}: type {ours[0].get(name)}, not {theirs[0][name]}"
        assert ours[1].get(name) == theirs[1][name], f"{name}: help {ours[1].get(name)!r}, not {theirs[1][name]!r}"
    # And nothing under node_ that node_exporter does not know, but for states without a socket.
    known = {s[0] for s in ever}
    strange = sorted(s for s in ours[2] if s[0].startswith("node_") and s not in ever
                     and s[0] != "node_tcp_connection_states" and not s[0].startswith("node_scrape_collector_"))
    assert not [s for s in strange if s[0] not in known], f"unknown names: {strange[:10]}"
    assert not strange, f"series node_exporter lacks: {strange[:10]}"


def test_client_page_passes_promtool():
    page = subprocess.run([os.path.join(BUILD, "client", "client_example")], check=True, capture_output=True).stdout
    answer = subprocess.run([peer("promtool"), "check", "metrics"], input=page, capture_output=True)
    assert answer.returncode == 0, (answer.stdout + answer.stderr).decode()
