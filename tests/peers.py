"""Real peers for the tests: Debian's own packages, unpacked below <build>/peers and never installed,
because installing them would start services on the user's ports."""
import glob
import os
import subprocess

BUILD = os.environ.get("TIDEMARK_BUILD", "build")
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "victoria-metrics": "victoria-metrics",
}


def peer(name):
    """The path of a peer's binary; fetched with apt-get the first time."""
    root = os.path.join(BUILD, "peers")
    path = os.path.join(root, "usr", "bin", name)
    if not os.path.exists(path):
        folder = os.path.join(root, "packages")
        os.makedirs(folder, exist_ok=True)
        package = PACKAGES[name]
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True, capture_output=True)
        for deb in glob.glob(os.path.join(folder, package + "_*.deb")):
            subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    return path
