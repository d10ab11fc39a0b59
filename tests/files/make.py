"""Makes tickets.xlsx: a workbook as people have them, written by openpyxl 3.1.5 (pip install openpyxl==3.1.5; python make.py).

The texts are the first 6 of every class of examples/data/snips.csv (CC0).
"""
import csv
import datetime
from pathlib import Path

import openpyxl
from openpyxl.styles import Font

here = Path(__file__).parent
rows = list(csv.DictReader(open(here / "../../examples/data/snips.csv", encoding="utf-8", newline="")))
seen: dict[str, int] = {}
kept = []
for row in rows:
    seen[row["label"]] = seen.get(row["label"], 0) + 1
    if seen[row["label"]] <= 6:
        kept.append(row)

book = openpyxl.Workbook()
book.active.title = "Cover"  # without content: the sheet after it is the one
sheet = book.create_sheet("Tickets")
book.create_sheet("Notes").append(["another", "sheet"])
old = book.create_sheet("Old")
old.append(["text", "label"])
old.sheet_state = "hidden"

# The table begins in column B, and row 5 is blank.
for column, name in enumerate(["Number", "Ticket text", "Queue", "Received", "Score", "Open", "Waited"], start=2):
    sheet.cell(1, column, name).font = Font(bold=True)
line = 2
for index, row in enumerate(kept):
    if line == 5:
        line += 1
    sheet.cell(line, 2, index + 1)
    sheet.cell(line, 3, row["text"].strip())
    sheet.cell(line, 4, row["label"])
    received = datetime.datetime(2024, 2, 28) + datetime.timedelta(days=index)
    sheet.cell(line, 5, received.date() if index % 2 else received + datetime.timedelta(hours=9, minutes=5))
    sheet.cell(line, 6, 0.1 + 0.2 if index == 0 else index / 4)
    sheet.cell(line, 7, index % 3 == 0)
    sheet.cell(line, 8, datetime.timedelta(hours=26, minutes=3, seconds=4))
    line += 1
sheet.cell(2, 3).value = "one\nof two lines, with \"quotes\" & <b>markup</b>"
sheet.cell(3, 3).value = "naïve 好 😀"
sheet.cell(line, 2, "=1/0")  # openpyxl writes no value beside a formula
sheet.cell(line, 3, "the last row has a formula without a value")
sheet.cell(line, 4, kept[0]["label"])
sheet.cell(line, 5, datetime.time(7, 30))
sheet.cell(line, 6, 12345678901)
sheet.cell(line, 7, "#N/A").data_type = "e"
sheet.auto_filter.ref = sheet.dimensions
sheet.freeze_panes = "A2"
book.save(here / "tickets.xlsx")
