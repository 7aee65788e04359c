package bench

import (
	"bufio"
	"io"
	"regexp"
	"strconv"
	"time"
)

// gcLine is what Go's runtime says of a collection with GODEBUG=gctrace=1, for example
//
//	gc 7 @1.2s 3%: 0.05+1.4+0.01 ms clock, 0.1+0.6/1.3/0.2+0.02 ms cpu, 12->13->6 MB, …
//
// Its processor times are those of the sweep's end, assists, dedicated and idle workers,
// and of the mark's end. The workers that had idle processors are counted, since the
// kernel counts their time, too.
var gcLine = regexp.MustCompile(`gc \d+ @[\d.]+s \d+%: \S+ ms clock, ([\d.]+)\+([\d.]+)/([\d.]+)/([\d.]+)\+([\d.]+) ms cpu`)

// longestLogLine is more than any line of a log that matters here, in bytes.
const longestLogLine = 1 << 20

// gcTime adds up the processor time of all collections in a log. A line that another
// thread has written into is left out.
func gcTime(log io.Reader) (time.Duration, error) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, longestLogLine)
	var spent time.Duration
	for lines.Scan() {
		found := gcLine.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		for _, text := range found[1:] {
			ms, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return 0, err
			}
			spent += time.Duration(ms * float64(time.Millisecond))
		}
	}
	return spent, lines.Err()
}
