"""Documents for the tests. Words in them are chosen so that a search can only mean one of them."""

FERRIES = """# Annual report of the Kestrel Ferry Company

## Revenue

Revenue rose to 48 million crowns, because the night crossing to Lindholm carried
eleven percent more lorries than the year before.

## Fleet

The company has four ships. The Plover is the oldest and will leave service in spring;
her engines burn twice as much fuel as those of the Dunlin.

## Staff

There are 212 people at sea and 64 in the offices. The school for deck officers took in
nine apprentices.
"""

GARDEN = """# Notes of the castle garden

The quince trees by the south wall were pruned in February. Fire blight was found on two of
them, and those branches were burnt.

The pond was drained and its clay lining mended with bentonite.
"""


def paragraphs(word, count):
    """A text of `count` chunks or more, each of which is about `word`."""
    sentence = (f"The {word} was weighed, washed, sorted and stored in crate number {{}}, and the "
                f"clerk wrote the weight of the {word} into the blue ledger of the warehouse. ")
    return "\n\n".join(f"# Delivery {i} of {word}\n\n" + sentence.format(i) * 3
                       for i in range(count))
