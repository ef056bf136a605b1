# English. How to write these files: https://projectfluent.org/fluent/guide. Names that begin with "label-" are what the
# browser itself writes on the page's fixed parts; they mention nothing.

language-name = English

### Numbers and lists

yes-or-no = { $answer ->
    [yes] yes
   *[no] no
}
# How a unit is written behind so many; currencies are in no need of it.
unit = { $count ->
   *[other] { $unit }
}
# Counts as words up to twelve.
number-word = { $count ->
    [0] no
    [1] one
    [2] two
    [3] three
    [4] four
    [5] five
    [6] six
    [7] seven
    [8] eight
    [9] nine
    [10] ten
    [11] eleven
    [12] twelve
   *[other] { $count }
}
number = { $count }
words-and = { $words } and { $last }

### The page around the tabs

page-heading = Next best products · version { $version } · as of { $day }
languages = Language
no-customer = No customer is chosen
no-customer-do = Search a customer by id, or upload a profile.
no-product-left = No product is left
reasons-unavailable = This version gives no reasons.

## Labels

label-done = Done
label-top = Products
label-appetite = Appetite for risk
label-categories = Interests (none: all)
label-exclude = Leave out
label-upload = Upload a profile
label-upload-file = CSV or Parquet, up to
label-upload-row = Customer of the file
label-tab-desk = Desk

## Search

search-label = Customer
search-placeholder = Id, name or attribute
search-found = Customers found
search-nobody = No customer is like this

## Filters

appetite = { $name ->
    [own] Customer's own
    [cautious] Cautious
    [balanced] Balanced
   *[any] Risk-tolerant
}
appetite-up-to = { appetite } (up to { $risk })
appetite-any = { appetite } (any)
filter-risk = risk up to { $risk }
filter-categories = only { $names }
filter-exclude = without { $names }

## The customer

no-customer-yet-do = Search above, or upload a profile below.
portrait = The chosen customer
portrait-uploaded = uploaded
portrait-changed = changed: { $names }
held-count = { $count ->
    [0] no products yet
    [one] { $count } product
   *[other] { $count } products
}
last-opened = the last one opened { $when }
ago = { $unit ->
    [today] today
    [yesterday] yesterday
    [days] { $count } days ago
    [weeks] { $count } weeks ago
    [months] { $count } months ago
   *[years] { $count } years ago
}
peers-segment = Among 100 of the segment { $segment }; the middle half is shaded
peers-all = Among 100 of all customers; the middle half is shaded
above-peers = , above { $count } of 100
event = { $what ->
    [opened] opened
    [closed] closed
    [refused] refused
   *[looked-at] looked at
}
event-of = { $day }: { event } { $product }
events = { $count ->
    [one] { $count } event
   *[other] { $count } events
} in two years

## Uploads

upload-read = { $count ->
    [one] { $count } customer read.
   *[other] { $count } customers read.
}
upload-unknown = { $count } not known before: they hold nothing.
upload-known = What they hold is known.
upload-template = Download a template (CSV)
upload-too-many = it has { $count } customers, and the page shows at most { $most } one by one
upload-too-many-do = score it on the tab Batch, or upload a part
upload-unusable = This file cannot be used.
upload-see-beside = See the problems beside.
problems = Problems of the file
problems-count = { $count ->
    [one] This file cannot be used: { $count } problem.
   *[other] This file cannot be used: { $count } problems.
}
problems-more = { " " }The first { $shown } of { $count } causes are shown.
problems-column = Column
problems-what = What is wrong
problems-how-often = How often
problems-where = Where
problems-remedy = What to do
problems-of-file = the file
problems-everywhere = everywhere
problems-place = { $unit ->
    [line] { $count ->
        [one] line
       *[other] lines
    }
    [row] { $count ->
        [one] row
       *[other] rows
    }
   *[record] { $count ->
        [one] record
       *[other] records
    }
} { $places }
problems-file = All as a file (CSV)

### Desk

begin = Choose a customer
begin-do = Search on the left by id, name or attribute (affluent; age 43), upload a profile, or begin with one of these.
sample = { $kind ->
    [typical] A typical customer of the segment { $segment }
    [youngest] The youngest who holds something
    [most] { $count ->
        [one] Holds the most: { $count } product
       *[other] Holds the most: { $count } products
    }
    [newest] Opened a product most recently
    [nothing] Holds nothing yet
   *[lately] Opened a product lately
}
no-product-left-do = Allow more risk or more interests, or leave out fewer products. Below is what is not offered, and why.
reasons-follow = Reasons follow ...
reasons-not-exported = This version was exported without what reasons need.
reasons-need-package = Reasons need another package: { $package }
card-details = All about it
card-why = Why this product?
card-probability = { $probability } within { $days } days
card-risk = risk { $risk } of { $most }
card-without = no { $title }
card-product-id = Product
# $odds is how many in ten for "often", else one in how many.
chance = { $how ->
    [rarely] less than 1 in { $odds }
    [often] about { $odds } in 10
   *[other] about 1 in { $odds }
} { $unit ->
    [months] within { $time } months
   *[days] within { $time } days
}
chance-against = { $how ->
    [over-ten] , over 10 times the average
    [times] , { $times } times the average
    [more] , more than the average
    [less] , less than the average
   *[about] , about the average
}
match = { $place ->
    [1] closest match of { $count }
   *[other] { ORDINAL($place) } closest match of { $count }
}
excluded-none = Every product may be offered.
excluded-held = { $count } held already
excluded-filters = { $count } kept out by your filters
excluded-rules = { $count } kept out by the rules
excluded = Not offered: { $count } of { $total } products ({ $kinds })
# The reasons of our own; the rules' come from the bank.
excluded-reason = { $reason ->
    [held] already held
    [exclude] excluded by the request
    [categories] not in the wanted categories
   *[max_risk] riskier than wanted
}
excluded-customer-has = The customer's { $column } is { $value }.
excluded-asks-for = { $product }: asks for { $value }
not-known = not known
