package delivery

import (
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/docs"
)

// vocabulary has the words that an excerpt shows although they were sent, since every
// text has them: the usual ones of answers to requests, and those in the names that the
// schema of our own events has.
var vocabulary = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(usualWords) {
		words[word] = true
	}
	for name := range names() {
		for word := range strings.FieldsSeq(name) {
			words[word] = true
		}
	}
	return words
})

// longestName is how many words a name of our own has at most.
const longestName = 6

// names are all names in the schema of our own events, such as "log record uid".
var names = sync.OnceValue(func() map[string]bool {
	found := map[string]bool{}
	schema := newDecoder(docs.EventsSchema)
	for {
		token, err := schema.ReadToken()
		if err != nil {
			return found // at the end: the schema is ours
		}
		kind, length := schema.StackIndex(schema.StackDepth())
		// After a name the number of names and values in an object is odd.
		if token.Kind() == jsontext.KindString && kind == jsontext.KindBeginObject && length%2 == 1 {
			found[strings.TrimSpace(plain([]byte(token.String())))] = true
		}
	}
})

const usualWords = `
a about above accept acceptable accepted access account action active additional after again all allow allowed already
an and any api app application are argument array as at attempt attempts attribute attributes auth authentication
authorization authorized available bad base64 batch batches be because been before below between blocked body boolean
but by byte bytes call called can cannot cause character characters check client code codes column conflict contact
contain contains content count could create created credentials current customer data date day days decode delete
denied deprecated description detail details did different disabled document does domain down duplicate duplicated
each either element elements empty enabled encoding end endpoint entity entries entry error errors event events exceed
exceeded exceeds exist existing exists expected expired expires exponential failed failure fatal feature field fields
file filter first for forbidden form format found from function future gateway general get given gone granted greater
group gzip had handle has have header headers history host hour hours http https id identifier ids if ignored illegal
in inactive incoming incorrect index indices information input inside insert insufficient integer internal into invalid
is iso8601 issue it item items its json key keys kind known large larger last least left length less level license
like limit limited limits line lines list location log logs long longer malformed many match max maximum may maybe
media member members message messages method min minimum minute minutes missing mismatch more most must name names
near need needed needs negative new next no non none not null number numbers object of off offset on one only operation
option or order org organization other out outside over own page parameter parameters parse parsed parser parsing
partial pass past path pattern payload per permission permissions permitted please position positive possible present
previous problem process processed processing project properties property protocol provide provided put query quota
range rate rates read reason receive received record records redacted reduce refused region reject rejected remaining
remove repeat repeated request requested requests require required requires reserved reset resource response result
retry rfc3339 right rule rules same schema scope second seconds security see send sent server service set setting
should size slow small smaller source space specified start state status storage stream string subscription success
successful such supplied support supported syntax system tenant than that the their then there these this throttled
throttling time timed timeout times timestamp timestamps title to token too trace true try type types unauthorized
unavailable unexpected unique unit unknown unprocessable unrecognized unsupported until up update upload uri url usage
use used user using utc utf utf8 uuid valid validate validation value values version via violation was we were what when
where which while will with within without wrong yet you your zero zone
`
