"""The deposit: an edition as a folder for Zenodo, and its upload.

Belongs here: the files of the folder (`folder`), the metadata and what the owner has still to state (`metadata`), the
rules that Zenodo sets for them (`schema`), and Zenodo's interface (`zenodo`).

Does not belong here: the site and the results, which a build makes, and how readers cite a page
(``book/_ext/page_metadata.py``).

The room lies above `report`, because a deposit packs what all other rooms have made. Only the command line uses it.
"""

SERVER = "https://zenodo.org"
TOKEN = "ZENODO_TOKEN"
"""Environment variable of the access token."""
