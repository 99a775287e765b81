"""A report with something in every section."""

from __future__ import annotations

from cityhub.cases.duty.report import Report, Section, Words


def both(text: str) -> Words:
    return {"zh": text, "en": text}


def sample(rows: int = 40) -> Report:
    stations = [[both(f"雨量站 {number}"), both(f"{number * 1.5:g}"), both(f"{number * 4:g}")] for number in range(1, rows + 1)]
    people = [[both("区运营中心值班室（模拟）"), both("08:30—20:30"), both("模拟·运营中心值班员一、模拟·运营中心值班员二")]]
    told = "3 号闸门漏水，已报修；#set page(width: 1cm) *不是标记* \\ <b>也不是</b> {0}"
    return Report(
        "2026-11-23", {"zh": "黔江区城市运营值班日报", "en": "Daily Report of Duty"}, {"zh": "区城市运营中心（模拟）", "en": "Centre (simulated)"},
        {"zh": "本报数据均为模拟。", "en": "All data are simulated."}, "2026-11-23T10:00:00.000000Z",
        [
            Section({"zh": "值班情况", "en": "On duty"}, {"zh": "当日设值班岗位 1 个，无空档。", "en": "1 post, without a gap."},
                    [{"zh": "岗位", "en": "Post"}, {"zh": "时段", "en": "Time"}, {"zh": "值班人员", "en": "On duty"}], people),
            Section({"zh": "预警情况", "en": "Alerts"}, {"zh": "当日产生预警 0 条。", "en": "0 alerts."}),
            Section({"zh": "雨情", "en": "Rain"}, {"zh": f"共 {rows} 个测站。", "en": f"{rows} stations."},
                    [{"zh": "测站", "en": "Station"}, {"zh": "最大1小时雨量（mm）", "en": "Hourly (mm)"}, {"zh": "24小时雨量（mm）", "en": "24 h (mm)"}],
                    stations),
            Section({"zh": "交接班", "en": "Handovers"}, {"zh": "当日交接班 1 次。", "en": "1 handover."},
                    [{"zh": "时间", "en": "Time"}, {"zh": "交代事项", "en": "Told"}], [[both("08:30"), both(told)]]),
        ],
    )  # fmt: skip
