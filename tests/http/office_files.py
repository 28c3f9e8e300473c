"""Small documents of the formats that the extraction helper reads, made by hand."""

import io
import zipfile
import zlib

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def archive(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content)
    return out.getvalue()


def docx(body, head=""):
    return archive([("[Content_Types].xml", "<Types/>"),
                    ("word/document.xml", f'{head}<w:document {W}><w:body>{body}</w:body></w:document>')])


def paragraph(text, style=None):
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def table(rows):
    return "<w:tbl>" + "".join(
        "<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>"
        for row in rows) + "</w:tbl>"


def relations(targets):
    return f'<Relationships xmlns="{PACKAGE}">' + "".join(
        f'<Relationship Id="{name}" Type="{RELATIONS}/{(kind or ["other"])[0]}" Target="{target}"/>'
        for name, target, *kind in targets) + "</Relationships>"


def pptx(slides, notes=()):
    """Slides of a title and a text; notes of the speaker for the first of them."""
    a = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    p = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    entries = [("ppt/presentation.xml",
                f'<p:presentation {p} xmlns:r="{RELATIONS}"><p:sldIdLst>' + "".join(
                    f'<p:sldId id="{256 + i}" r:id="r{i}"/>' for i in range(len(slides))) +
                "</p:sldIdLst></p:presentation>"),
               ("ppt/_rels/presentation.xml.rels",
                relations([(f"r{i}", f"slides/slide{i}.xml") for i in range(len(slides))]))]
    for i, (title, text) in enumerate(slides):
        entries.append((f"ppt/slides/slide{i}.xml", f'<p:sld {p} {a}><p:sp><p:nvSpPr><p:nvPr><p:ph '
                        f'type="title"/></p:nvPr></p:nvSpPr><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:sp>'
                        f'<p:sp><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sp></p:sld>'))
    for i, text in enumerate(notes):
        entries.append((f"ppt/slides/_rels/slide{i}.xml.rels",
                        relations([("r9", f"../notesSlides/notes{i}.xml", "notesSlide")])))
        entries.append((f"ppt/notesSlides/notes{i}.xml", f"<p:notes {p} {a}>" + "".join(
            f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>'
            f"<a:p><a:r><a:t>{said}</a:t></a:r></a:p></p:sp>"
            for kind, said in (("sldNum", "Number seventeen"), ("body", text), ("dt", "Today"))) + "</p:notes>"))
    return archive(entries)


def xlsx(name, rows, formats=(), workbook=""):
    """A cell is a text, a number, or a number with the place of its format: a code of Excel's or a
    text, such as 14 or "d.m.yy"."""
    strings = [cell for row in rows for cell in row if isinstance(cell, str)]

    def cell(column, row, value):
        place = f"{chr(65 + column)}{row + 1}"
        if isinstance(value, str):
            return f'<c r="{place}" t="s"><v>{strings.index(value)}</v></c>'
        value, style = value if isinstance(value, tuple) else (value, 0)
        return f'<c r="{place}" s="{style}"><v>{value}</v></c>'

    own = {code: 164 + i for i, code in enumerate(c for c in formats if isinstance(c, str))}
    return archive([
        ("xl/styles.xml", "<styleSheet><numFmts>" + "".join(
            f'<numFmt numFmtId="{number}" formatCode="{code}"/>' for code, number in own.items()) +
         '</numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/>' + "".join(
             f'<xf numFmtId="{own.get(code, code)}"/>' for code in formats) + "</cellXfs></styleSheet>"),
        ("xl/workbook.xml", f'<workbook xmlns:r="{RELATIONS}">{workbook}<sheets><sheet name="{name}" '
                            'sheetId="1" r:id="r1"/></sheets></workbook>'),
        ("xl/_rels/workbook.xml.rels", relations([("r1", "worksheets/sheet1.xml")])),
        ("xl/sharedStrings.xml", "<sst>" + "".join(f"<si><t>{s}</t></si>" for s in strings) + "</sst>"),
        ("xl/worksheets/sheet1.xml", "<worksheet><sheetData>" + "".join(
            f'<row r="{r + 1}">' + "".join(cell(c, r, v) for c, v in enumerate(row)) + "</row>"
            for r, row in enumerate(rows)) + "</sheetData></worksheet>")])


def odt(body, manifest=""):
    spaces = ('xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
              'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
              'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"')
    return archive([("mimetype", "application/vnd.oasis.opendocument.text"),
                    ("META-INF/manifest.xml", f"<manifest>{manifest}</manifest>"),
                    ("content.xml", f"<office:document-content {spaces}><office:body><office:text>"
                                    f"{body}</office:text></office:body></office:document-content>")])


def epub(pages):
    return archive([("mimetype", "application/epub+zip"),
                    ("META-INF/container.xml", '<container><rootfiles><rootfile '
                                               'full-path="OEBPS/content.opf"/></rootfiles></container>'),
                    ("OEBPS/content.opf", "<package><manifest>" + "".join(
                        f'<item id="p{i}" href="text/page%20{i}.xhtml"/>' for i in range(len(pages))) +
                     "</manifest><spine>" + "".join(
                        f'<itemref idref="p{i}"/>' for i in range(len(pages))) + "</spine></package>"),
                    *[(f"OEBPS/text/page {i}.xhtml",
                       '<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">'
                       f"<head><title>t</title></head><body>{page}</body></html>")
                      for i, page in enumerate(pages)]])


def pdf(pages):
    """A PDF with one text, or one picture (None), on each page."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", None,
               b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
               b"<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray"
               b"/BitsPerComponent 8/Length 1>>stream\n0\nendstream"]
    kids = []
    for text in pages:
        stream = (b"q 500 0 0 700 0 0 cm /I Do Q" if text is None else
                  b"BT /F 12 Tf 72 700 Td (%s) Tj ET" % text.encode("latin-1"))
        objects.append(b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream"
                       % (len(zlib.compress(stream)), zlib.compress(stream)))
        objects.append(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R/Resources"
                       b"<</Font<</F 3 0 R>>/XObject<</I 4 0 R>>>>>>" % len(objects))
        kids.append(len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (
        len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


MAIL = """From: =?utf-8?q?Ren=C3=A9?= <rene@example.org>
To: Ada <ada@example.org>
Subject: The walrus in the harbour
Date: Mon, 2 Nov 2026 10:00:00 +0100
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b1"

--b1
Content-Type: multipart/alternative; boundary="b2"

--b2
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

A walrus was seen near the caf=E9 at noon.

--b2
Content-Type: text/html; charset=utf-8

<p>not this form</p>
--b2--
--b1
Content-Type: application/octet-stream; name="picture.bin"
Content-Disposition: attachment; filename="picture.bin"
Content-Transfer-Encoding: base64

AAECAwQ=
--b1--
""".replace("\n", "\r\n").encode()
