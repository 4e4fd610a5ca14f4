"""The sites of several editions in one."""

from lib.engine import editions


def test_a_site_takes_in_the_sites_of_the_other_editions(tmp_path):
    build_folder, rendered = tmp_path / "made", tmp_path / "rendered"
    site = build_folder / "editions/2018-08-06/site-1"
    (site / "book").mkdir(parents=True)
    (site / "book/safety.html").write_text("earlier", encoding="utf-8")
    (site.parent / "html").symlink_to("site-1")
    rendered.mkdir()
    assert editions.built_editions(build_folder) == {"2018-08-06": site}
    editions.join(build_folder, rendered)
    assert (rendered / "editions/2018-08-06/book/safety.html").read_text(encoding="utf-8") == "earlier"
    assert editions.built_editions(rendered) == {}


def site_of_edition(build_folder, date):
    site = build_folder / f"editions/{date}/site-1"
    (site / "book").mkdir(parents=True)
    (site / "book/safety.html").write_text(date, encoding="utf-8")
    (site.parent / "html").symlink_to("site-1")
    return site


def test_sites_are_copied_where_the_file_system_has_no_hard_links(tmp_path, monkeypatch):
    site_of_edition(tmp_path / "made", "2018-08-06")

    def no_links(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(editions.os, "link", no_links)
    editions.join(tmp_path / "made", tmp_path / "rendered")
    copied = tmp_path / "rendered/editions/2018-08-06/book/safety.html"
    assert copied.read_text(encoding="utf-8") == "2018-08-06"
    assert copied.stat().st_nlink == 1


def test_an_edition_whose_build_failed_has_no_site_to_join(tmp_path):
    site = site_of_edition(tmp_path / "made", "2018-08-06")
    (tmp_path / "made/editions/2026-11-22").mkdir()
    (tmp_path / "made/editions/2026-11-23").mkdir()
    (tmp_path / "made/editions/2026-11-23/html").symlink_to("a site that is gone")
    assert editions.built_editions(tmp_path / "made") == {"2018-08-06": site}
    editions.join(tmp_path / "made", tmp_path / "rendered")
    assert [path.name for path in (tmp_path / "rendered/editions").iterdir()] == ["2018-08-06"]


def test_a_project_with_one_edition_joins_nothing(tmp_path):
    editions.remove_others(tmp_path / "made", [])
    editions.join(tmp_path / "made", tmp_path / "rendered")
    assert not (tmp_path / "rendered").exists()


def test_an_edition_that_there_is_no_longer_is_removed(tmp_path):
    kept = site_of_edition(tmp_path, "2018-08-06")
    site_of_edition(tmp_path, "2026-11-22")
    editions.remove_others(tmp_path, ["2018-08-06", "2026-11-25"])
    assert editions.built_editions(tmp_path) == {"2018-08-06": kept}
    assert not (tmp_path / "editions/2026-11-22").exists()
