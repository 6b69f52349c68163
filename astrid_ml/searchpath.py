"""Tells Hydra of the options of installed plugins, in every command, notebook and worker."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from astrid_ml.installed import sound


class InstalledOptions(SearchPathPlugin):
    """Adds the folders of plugins behind ours, before a folder that the command is given."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra whenever it makes a search path; other programs of this process get none of ours."""
        if any(item.path == "pkg://astrid_ml.conf" for item in search_path.get_path()):
            for plugin in sound():
                search_path.append(provider=f"plugin {plugin.name}", path=f"file://{plugin.conf}")


def announce() -> None:
    """Register it with Hydra; again does nothing."""
    Plugins.instance().register(InstalledOptions)
