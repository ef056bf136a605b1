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

page-heading = Next best products · version { $version } · as of { $day }, { $age ->
    [0] today
    [one] { $age } day ago
   *[other] { $age } days ago
}
data-old = out of date
data-old-more = The { $days } days after it, of which the probabilities speak, are over. Ask for a refresh of the data.
data-too-old = the data are of { $day }, { $count } days old, and at most { $most } are allowed
data-too-old-do = ask for a refresh (`nextbest refresh`), or for a page that is opened with --any-age
languages = Language
no-customer = No customer is chosen
no-customer-do = Search a customer by id, or upload a profile.
no-such-customer = there is no customer { $customer }
no-such-customer-do = type a part of an id to search the { $count } customers, or upload a profile
no-product-left = No product is left
reasons-unavailable = This version gives no reasons.

## Labels

label-done = Done
label-queue = In the queue: {"{position}"} of {"{size}"}
label-top = Products
label-appetite = Appetite for risk
label-categories = Interests (none: all)
label-exclude = Leave out
label-upload = Upload a profile
label-upload-file = CSV or Parquet, up to
label-upload-row = Customer of the file
label-tab-desk = Desk
label-print = Print

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
held-unknown = products not known
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
upload-unknown = { $count } not known before. Without the list held_products they get an order and no probability.
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
problems-more = The first { $shown } of { $count } causes are shown.
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
no-probability = no probability: what the customer holds is not known
no-probability-do = Neither the bank's data nor the upload say what the customer holds. So there is an order, and neither a probability nor reasons.
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
excluded-unknown = { $column } unknown
excluded-reason = { $reason ->
    [held] already held
    [exclude] excluded by the request
    [categories] not in the wanted categories
   *[max_risk] riskier than wanted
}
excluded-customer-has = The customer's { $column } is { $value }.
excluded-asks-for = { $product }: asks for { $value }
not-known = not known

### Reasons

# What a person knows of a customer.
reason-group = { $kind ->
    [age] age
    [income] income
    [balances] savings and balances
    [time] dates and durations
    [numbers] scores and counts
    [facts] circumstances
    [protected] protected attributes
    [held] products held
    [recent] recent activity
   *[refused] refused offers
}
not-shown = not shown
none = none
some-more = { $values } and { number-word } more

## What is said of a customer, who is the subject

said-age = { $years ->
    [one] is { $years } year old
   *[other] is { $years } years old
}
said-number = has { ARTICLE($label) } of { $value }
said-number-compared = has { ARTICLE($label) } { compared }
said-nothing = has no { $label }
said-count = has { number-word } { ITEMS($label, $count) }
said-tenure = has been a customer for { $unit ->
    [years] { $count ->
        [0] less than a year
        [one] { number-word } year
       *[other] { number-word } years
    }
   *[months] { $count ->
        [0] less than a month
        [one] { number-word } month
       *[other] { number-word } months
    }
}
said-since = has been a customer since { $year }
said-marked = { $answer ->
    [yes] is marked as "{ $label }"
   *[no] is not marked as "{ $label }"
}
said-segment = belongs to the segment "{ $segment }"
said-listed = is listed as "{ $value }" under { $label }
said-held = holds { $products }
said-held-none = holds no product yet
said-recent = has lately shown interest in { $products }
said-recent-none = has shown no interest in anything lately
said-closed = has lately closed { $products }
said-refused-none = has refused no offer lately
this-product = this very product
products-count = { $count ->
    [one] { number-word } product
   *[other] { number-word } products
}
products-of = { number-word } { NOUNS($category, $count) }
products-like = { NOUNS($category, 2) }
number-by-period = { $number } a { $period }
# How a value compares with others.
compared = { $how ->
    [older] older than { others }
    [younger] younger than { others }
    [above] above { others }
    [below] below { others }
    [more] more than { others }
    [fewer] fewer than { others }
    [longer] longer than { others }
   *[shorter] not as long as { others }
}
others = { $others ->
    [segment] most of the segment
   *[all] most customers
}

## The sentences

reasons-sum = { $reasons }; customers like this one add it { $often ->
    [little] a little more often than
    [more] more often than
    [twice] about twice as often as
    [times] about { number-word } times as often as
   *[many] more than ten times as often as
} the average customer
reasons-instead = { $how ->
    [less] { $popular ->
        [yes] popular with many customers, though less likely for this customer than for the average customer
       *[no] less likely for this customer than for the average customer
    }
    [alike] { $popular ->
        [yes] popular with many customers, and about as likely for this customer as for the average customer
       *[no] about as likely for this customer as for the average customer
    }
   *[more] likelier for this customer than for the average customer, and no single reason stands out
}
compare-alike = { $first } and { $second } are about as likely for this customer, { $figure } each.
compare = { $first } comes before { $second }, with { $figure } against { $other }. { $why }
compare-reasons = This customer { $reasons }, which speaks more for the first.
compare-popular = More customers add it in general, { $figure } against { $other } on average.
compare-none = No single reason stands out.

### What the models see

feature = { $name ->
    [popularity] popularity and its trend
    [product_id] the product itself
    [retrieval_score] match of customer and product
    [co_holding] held together with (co-holding)
    [next_after] bought next by such holders
    [ease] what usually goes with the holdings
    [cosine] what is alike to the holdings
    [conditional] share of the holdings' holders
    [seen] recent interest in the product
    [own_closure] closure of the product
    [own_refusal] refusal of the product
    [held_count] number of products held
    [same_group] holdings of the same { $first }
    [segment_popularity] popularity in the segment
    [gap] gap between { $first } and { $second }
    [category_crosses] what such customers choose
    [held] holdings
    [recent] recent products
    [closed] closed products
   *[refused] refused products
}
feature-kind = { $kind ->
    [customer] customer
    [product] product
   *[cross] cross
}
features-others = { $count } other features
feature-ratio = { $name ->
    [popularity] { $times } times an average product
    [segment_popularity] { $times } times as often as among all
   *[co_holding] up to { $times } times as often as usual
}
feature-level = { $level ->
    [high] high { $feature }
    [higher] higher { $feature }
    [low] low { $feature }
    [lower] lower { $feature }
    [late] { $feature } late
    [later] { $feature } later than usual
    [early] { $feature } early
    [earlier] { $feature } earlier than usual
    [usual-time] { $feature } at a typical time
    [several-typical] typical { $feature }
   *[typical] a typical { $feature }
}
feature-unknown = unknown { $feature }
feature-is = { $answer ->
    [yes] { $feature }
   *[no] not { $feature }
}
feature-the = the { $feature }
feature-value = { $feature } { $value }
feature-none-yet = no { $feature } yet
feature-happened = { $answer ->
    [yes] a { $feature }
   *[no] no { $feature }
}
no-products-yet = no products yet
unknown = unknown
with-value = with { $column } { $value }
group-held = { $count ->
    [0] no { $group } yet
   *[other] { $count } { $group } held
}
against = { $value } against { $other }
list-and-more = { $names } and { $count } more
nothing-stands-out = nothing stands out
raises = { $several ->
    [yes] { $features } raise this
   *[no] { $features } raises this
}
lowers = { $several ->
    [yes] { $features } lower this
   *[no] { $features } lowers this
}

### Profile

label-tab-profile = Profile
profile-compared = Compared with { $count } customers of the segment { $segment }.
profile-no-segment = There is no segment; { $count } customers are known.
profile-group = { $group ->
    [money] Money
    [share] Shares and rates
    [count] Counts and scores
    [time] Time
    [dates] Dates
   *[measure] Other measures
}
profile-others = Other attributes
profile-attribute = Attribute
profile-value = Value
profile-shared-by = Shared by
profile-percentile = Percentile
profile-percentile-note = how many of 100 customers of the segment are below
profile-middle-half = Middle half of the segment
profile-share = { $peers ->
    [segment] { $share } of the segment
   *[all] { $share } of all customers
}
profile-under = under { $share }
range = { $low } to { $high }
nothing-held = Nothing is held
nothing-held-more = The customer holds no product that the export knows of.
holdings = Holdings
holdings-caption = Products held, the newest first
column-product = Product
column-category = Category
column-since = Since
column-on = On
refused-lately = Refused lately
refused-caption = Products refused, the newest first

### Why

label-tab-why = Why
label-why-product = Product
label-why-other = Compare with
label-why-more = For specialists
label-why-picture = The reasons as shap draws them
label-why-ranking = Features of the probability
label-why-retrieval = Features of the match
why-no-other = No other product
nothing-to-explain = There is nothing to explain.
not-explainable = This version cannot be explained.
matters-over-all = What matters over all customers
not-measured = Not measured
not-measured-more = This version was exported without a sample of explanations.
average-customer = The average customer
this-customer = This customer
column-known = What is known
column-of-customer = Of this customer
column-steps = From the average customer's probability to this one
column-adds = Adds
percentage-points = percentage points
why-caption = What leads to the probability of { $product }
typical-score = A typical score
this-score = This score
score-with-probability = { $score }: { $probability }
column-feature = Feature
column-score-steps = From a typical score to this one
feature-adds-note = { $stage ->
    [ranking] log-odds; 0.69 doubles the odds
   *[retrieval] cosine
}
score-caption = What leads to the score of { $product }
column-lowers-raises = Lowers the score · raises it
column-on-average = On average
column-on-average-note = mean of the absolute contribution
beeswarm-about = A point is a customer and a product; the outermost 1% are at the edge.
beeswarm-little = little of the feature
beeswarm-much = much
beeswarm-caption = What matters over all
compare-products = What is compared
compare-caption = { $first } beside { $second }
compare-same = The same for both: { $facts }
column-match = Match
column-reasons = Reasons
picture-alt = Waterfall in percentage points: { $largest }

### Neighbourhood

label-tab-neighbourhood = Neighbourhood
label-map = Products and customer by similarity
map-similar-customers = Similar customers
map-similar = The { $count } most similar customers
map-similarity = similarity
map-colours = Colours of the map
map-about = The map is a projection: it shows { $share } of how products differ; the match counts all.
map-table = The map as a table: the { $count } nearest products
map-recommended-as = Recommended as
map-recommended = number { $place }
column-similarity = Similarity
neighbours-too-few = No comparison with similar customers
neighbours-too-few-more = Too few are known for figures that identify no one.
neighbours-privacy = What this customer holds is left out. Shares are rounded, and products of few are not named, so that nobody's holdings are told.
neighbours-hold = The { $count } most similar customers hold
neighbours-opened = They opened in the last { $months } months
neighbours-held-by = Held by about
neighbours-opened-by = Opened by about
neighbours-share = { $share }, { $times } times the usual
neighbours-share-note = of the { $count } most similar customers, rounded; beside the share of all customers
neighbours-nothing = Nothing in common
neighbours-nothing-more = No product is of enough of them.

### What if

label-tab-whatif = What if
label-compare = Compare
label-keep = Keep these changes
label-reset = Start again
label-yes = yes
label-no = no
label-day = YYYY-MM-DD
not-compared = Nothing is compared yet
not-compared-do = Change attributes above, then compare.
no-attributes = There is nothing to change
no-attributes-more = The models know of customers what they hold alone.
nothing-changed = Nothing was changed.
nothing-changed-do = Change an attribute, then compare.
not-readable = This cannot be read.
usually = usually { $low } to { $high }
no-sense = { $label }: { $value } makes no sense
give-at-least = give { $value } or more
give-at-most = give at most { $value }
not-a-day = { $label }: { $value } is not a day
write-a-day = write it as 2024-01-31
gone = gone
new = new
points = { $change } points
as-it-is = As it is
with-changes = With the changes
now-suitable = { $count ->
    [one] { $count } product now suitable
   *[other] { $count } products now suitable
}
no-longer-suitable = { $count ->
    [one] { $count } product no longer suitable
   *[other] { $count } products no longer suitable
}
column-probability = Probability
column-change = Change
all-excluded = The policy or the filters exclude all.

### By product

label-tab-by-product = By product
label-by-product = Product
label-by-product-reasons = Give the reasons of all
no-product = No product is chosen
no-product-do = Choose a product to see whom it suits most.
no-customers = No customers are known
no-customers-more = This version was exported without its customers.
audience-looking = Looking for whom it suits ...
audience-unavailable = This version cannot tell.
audience-filtered = Your filters keep this product out: it is { $reason }.
audience-filtered-do = Change them above.
audience = { $among ->
    [all] Among all { $customers } customers
   *[drawn] Among { $looked_at } customers drawn at random of { $customers }
}, { $may_have } may be offered { $product }; { $hold } hold it already, and the rules keep { $kept_out } from it. The likeliest come first.
audience-nobody = Nobody may be offered it
audience-nobody-more = Who does not hold it is kept from it by the rules.
audience-open = Open on the desk
audience-caption = Whom { $product } suits most
column-customer = Customer
column-chance = Chance
column-why = Why

### Models

label-tab-models = Models
label-model-card = Model card
no-report = There is no report
no-report-more = This version was exported before reports were kept with it.
version-approved = Version { $version } is approved.
version-not-approved = Version { $version } is not approved.
version-forced = Version { $version } is not approved, and was pushed by force.
the-version = The version
fact-version = Version
fact-pushed = Pushed
fact-data-until = Data until
fact-looks-ahead = Looks ahead
fact-measured-on = Measured on
fact-loads = Loads in a fresh process
fact-index = Index
fact-copy-of = Copy of
days = { $count } days
no-because = no: { $problems }
copy-of-version = version { $version }
index-reason = How the index was chosen: { $reason }.
column-model = Model
column-interval = Interval
column-interval-note = { $level } interval, a bootstrap over customers
column-of-best = Of the best possible
measured-about = { $customers } customers who bought { $products } products after { $day }.
how-good = How good it is
how-good-caption = Metrics of all models
column-customers = Customers
column-products = Products
column-shown = Share of the places
column-acquired = Share of what was acquired
column-happened = Happened / said
column-finding = What is shown
column-fifth = { $place ->
    [1] Least popular fifth
    [2] Second
    [3] Third
    [4] Fourth
   *[other] Most popular fifth
}
column-gini = Gini
column-coverage = Coverage
popularity-title = The popular and the rest
popularity-about = All products by how often they were acquired before, in five parts of equal number: each part's share of the first { $k } places. Gini is 0 where all are shown alike, coverage the share of the products that anybody is shown.
by-group-and-product = By group, and how the lists spread over the products
group-about = Each group is compared with all others, if both have at least { $least } customers. A difference counts as shown only after the correction for the number of groups (Holm).
group-by = { $name ->
    [known] Known or new
    [tenure] Time as a customer
   *[launch] Time on offer
}
group-label = { $label ->
    [known] Known
    [new] New
    [yes] Yes
    [no] No
    [missing] Missing
   *[other] All others
}
group-band = { $low } to { $high }{ $unit ->
    [years] {" "}years
    [months] {" "}months
   *[none] {""}
}
group-last-band = { $low } { $unit ->
    [years] years
   *[months] months
} and more
group-finding = { $finding ->
    [worse] worse than all others
    [better] better than all others
    [more] more happens than is said
    [less] less happens than is said
    [few] too few to compare
   *[none] no difference shown
}
metric-by = { $metric } by { $column }
comparisons = { $count } comparisons
served = served

### Batch

label-tab-batch = Batch
label-batch-file = Customers, up to
label-batch-holdings = What they hold (optional)
label-batch-format = Format
label-batch-all-the-same = Score all the same
label-batch-all-the-same-more = Leave out rows that cannot be read; take unknown ids and words for new ones.
label-batch-run = Score the file
label-batch-cancel = Cancel
label-batch-download = Download
label-batch-makers = What made it (JSON)
label-batch-problems = All problems as a file (CSV)
batch-about = Scores every customer of a file, as { $command } does. You see what was understood before anything is scored.
batch-nothing-yet = No file is scored yet
batch-nothing-yet-do = Upload customers, a row each; the columns are those of the template.
batch-no-file = No file yet.
batch-no-file-do = Upload customers first.
batch-cancelled = Cancelled.
batch-cancelled-more = Nothing was written. The file is still there to be scored.
batch-waiting = Reading the file.
batch-waiting-more = It waits while another file is being scored.
batch-failed = The file could not be scored.
batch-unusable = { $file } cannot be used: { $count ->
    [one] { $count } problem
   *[other] { $count } problems
}.
batch-asked = At most { $top } products each.
batch-filters = Filters: { $filters }.
batch-no-filter = No filter is set.
batch-no-filter-was = No filter was set.
batch-no-holdings = Without a file: what the export knows. Columns: { $id }, { $product } and, if known, { $since }.
batch-score = { $count ->
    [one] Score { $count } customer
   *[other] Score { $count } customers
}

## What was understood

batch-understood = What was understood
batch-can-be-scored = { $count ->
    [one] { $count } customer can be scored.
   *[other] { $count } customers can be scored.
} Nothing is scored yet.
batch-unknown-ids = Unknown to the export
batch-recognised = Columns recognised
batch-absent = Columns missing
batch-unknown-columns = Columns not known
batch-unseen = Values never seen before
batch-for-example = { $count }, for example { $example }
batch-products-held = Products held
batch-held = { $count } { $source ->
    [file] from the file of holdings
    [lists] from the file's lists
   *[export] as the export knows them
}
batch-check = Please check:
batch-check-ids = { $unknown } of { $count } customers are unknown to the export{ $known ->
    [no] {""}
   *[other] , which has ids like { $known }
} (for example { $example }).
batch-check-holdings = { $count ->
    [one] { $count } of them brings no holdings that the export knows: an order, and no probability.
   *[other] { $count } of them bring no holdings that the export knows: an order, and no probability.
}
batch-check-products = { $unknown } of { $count } holdings are of products that the export does not know (for example { $example }).
batch-check-formulas = { $count ->
    [one] { $count } id begins
   *[other] { $count } ids begin
} with { $signs } (for example { $example }): a spreadsheet takes { $count ->
    [one] it for a formula
   *[other] them for formulas
} where it opens a CSV file, and for text in an Excel file.
batch-left-out = { $count ->
    [one] { $count } row cannot be read and is left out.
   *[other] { $count } rows cannot be read and are left out.
}
batch-first-customers = { $count ->
    [one] The customer as it was read
   *[other] The first customers as they were read
}
batch-remarks = Remarks
remark-unseen = { $count ->
    [one] { $count } value
   *[other] { $count } values
} that the models never saw (for example { $example }; they know { $known })
remark-out-of-range = { $count ->
    [one] { $count } value
   *[other] { $count } values
} outside of { $low } to { $high } (for example { $example })
remark-missing = { $count } missing

## What came out

batch-customers-scored = Customers scored
batch-progress = { $done } of { $total } customers are scored.
batch-left = { $rate } customers per second. About { $duration } left.
duration = { $unit ->
    [second] a second
    [seconds] { $count } seconds
   *[minutes] { $count } minutes
}
batch-scored = { $count ->
    [one] { $count } customer scored:
   *[other] { $count } customers scored:
}
batch-recommendations = { $count ->
    [one] { $count } recommendation
   *[other] { $count } recommendations
} in { $duration }.
batch-first-recommendations = The first { $count } recommendations of the file
column-rank = Rank

### As a service

label-tab-service = As a service
column-endpoint = Endpoint
column-arguments = Arguments
column-answer = Answer
service-about = Other programs use the same models, with
service-caption = Endpoints of the service
service-example = An example
endpoint-answer = { $name ->
    [recommend] products with scores and attributes; which products are excluded, and why
    [profile] attributes compared with the segment's, holdings
    [reasons] at most three sentences; base, probability and what each group adds, in percentage points
    [explain] what the models' features add, base, score and a sentence
   *[score] a file with a row per recommendation
}

## The printed page

sheet-title = Next best products for { $customer }
sheet-applied = Rules and filters that were applied
sheet-filters = Filters: { $filters }
sheet-none = none
sheet-about = Model version { $version }. Data as of { $day }, { $age ->
    [one] { $age } day old.
   *[other] { $age } days old.
}
sheet-printed = Printed on
sheet-left-out = { $count ->
    [0] { $reason }: no product left out
    [one] { $reason }: 1 product left out
   *[other] { $reason }: { $count } products left out
}
