package plot

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Figure is charts in rows, whose lines mean the same in all of them.
type Figure struct {
	Title  string   // for those who do not see it
	Series []string // names of the lines: at most four, which colours and marks tell apart
	Rows   []Row
}

// Row is charts side by side that have one horizontal axis.
type Row struct {
	Title  string
	X      []float64 // positive and ascending; drawn as its logarithm
	Labels []string  // of each X
	Charts []Chart
}

// Chart has the lines of a row for one unit.
type Chart struct {
	Title string
	// Y are the values of each series at each X, none of them negative. A series without
	// values is not drawn.
	Y [][]float64
}

// Sizes in pixels.
const (
	columnWidth  = 430
	rowHeight    = 232
	header       = 46 // with the legend
	marginLeft   = 58
	marginRight  = 22
	marginTop    = 56
	marginBottom = 34
	markSize     = 4.0
	legendWidth  = 110
)

// style has the colours for light and dark. The figure has a ground of its own, because the
// page may go by another choice than the system. Lines are told apart by their marks, too.
const style = `.ground{fill:#fcfcfb}text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#52514e}` +
	`.strong{font-weight:600;font-size:13px;fill:#0b0b0b}.grid{stroke:#e1e0d9}.base{stroke:#a3a29b}` +
	`.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.mark{stroke:#fcfcfb}` +
	`.line.s0{stroke:#52514e}.mark.s0{fill:#52514e}.line.s1{stroke:#2a78d6}.mark.s1{fill:#2a78d6}` +
	`.line.s2{stroke:#d9590f}.mark.s2{fill:#d9590f}.line.s3{stroke:#178a5f}.mark.s3{fill:#178a5f}` +
	`@media(prefers-color-scheme:dark){.ground{fill:#1a1a19}text{fill:#c3c2b7}.strong{fill:#fff}.grid{stroke:#383835}.base{stroke:#6b6a64}` +
	`.mark{stroke:#1a1a19}.line.s0{stroke:#d6d5cb}.mark.s0{fill:#d6d5cb}.line.s1{stroke:#5a9eea}.mark.s1{fill:#5a9eea}` +
	`.line.s2{stroke:#f0803f}.mark.s2{fill:#f0803f}.line.s3{stroke:#35b585}.mark.s3{fill:#35b585}}`

// SVG draws the figure.
func (f Figure) SVG() []byte {
	columns := 1
	for _, row := range f.Rows {
		columns = max(columns, len(row.Charts))
	}
	width, height := columns*columnWidth, header+len(f.Rows)*rowHeight
	var d drawing
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`, width, height, width, height)
	d.add(`<title>%s</title>`, escaped(f.Title))
	d.add(`<style>%s</style>`, style)
	d.add(`<rect class="ground" width="%d" height="%d" rx="6"/>`, width, height)
	for i, name := range f.Series {
		x := float64(marginLeft + i*legendWidth)
		d.line(i, []point{{x, 24}, {x + 22, 24}})
		d.mark(i, point{x + 11, 24}, name)
		d.text(x+28, 28, "start", "", name)
	}
	for i, row := range f.Rows {
		top := float64(header + i*rowHeight)
		d.text(marginLeft, top+20, "start", "strong", row.Title)
		for n, chart := range row.Charts {
			d.chart(f.Series, row, chart, float64(n*columnWidth), top)
		}
	}
	d.add(`</svg>`)
	return []byte(d.out.String())
}

type point struct{ x, y float64 }

type drawing struct{ out strings.Builder }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(&d.out, format+"\n", args...) }

func (d *drawing) text(x, y float64, anchor, class, text string) {
	if class != "" {
		class = fmt.Sprintf(` class="%s"`, class)
	}
	d.add(`<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>`, x, y, anchor, class, escaped(text))
}

// chart draws one chart into the cell whose corner is given.
func (d *drawing) chart(series []string, row Row, c Chart, left, top float64) {
	from, to := point{left + marginLeft, top + rowHeight - marginBottom}, point{left + columnWidth - marginRight, top + marginTop}
	ticks := scale(c.Y)
	highest := ticks[len(ticks)-1]
	at := func(n int, y float64) point {
		return point{from.x + share(row.X, n)*(to.x-from.x), from.y - y/highest*(from.y-to.y)}
	}
	d.text(from.x, top+40, "start", "", c.Title)
	for i, tick := range ticks {
		class := "grid"
		if i == 0 {
			class = "base"
		}
		y := at(0, tick).y
		d.add(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, from.x, y, to.x, y)
		d.text(from.x-6, y+4, "end", "", number(tick))
	}
	for n, label := range row.Labels {
		d.text(at(n, 0).x, from.y+18, "middle", "", label)
	}
	for s, values := range c.Y {
		var points []point
		for n, y := range values {
			points = append(points, at(n, y))
		}
		d.line(s, points)
		for n, p := range points {
			d.mark(s, p, fmt.Sprintf("%s, %s: %s", series[s], row.Labels[n], number(values[n])))
		}
	}
}

func (d *drawing) line(series int, points []point) {
	if len(points) < 2 {
		return
	}
	var path strings.Builder
	for i, p := range points {
		fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], p.x, p.y)
	}
	d.add(`<path class="line s%d" d="%s"/>`, series, path.String())
}

// mark draws a circle, a square, a triangle or a diamond, which says what it stands for.
func (d *drawing) mark(series int, p point, says string) {
	title := "<title>" + escaped(says) + "</title>"
	corners := [][]point{
		1: {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}},
		2: {{0, -1.2}, {1.2, 1}, {-1.2, 1}},
		3: {{0, -1.4}, {1.4, 0}, {0, 1.4}, {-1.4, 0}},
	}
	if series == 0 {
		d.add(`<circle class="mark s0" cx="%.1f" cy="%.1f" r="%.1f">%s</circle>`, p.x, p.y, markSize, title)
		return
	}
	var around []string
	for _, corner := range corners[series] {
		around = append(around, fmt.Sprintf("%.1f,%.1f", p.x+corner.x*markSize, p.y+corner.y*markSize))
	}
	d.add(`<polygon class="mark s%d" points="%s">%s</polygon>`, series, strings.Join(around, " "), title)
}

// share is where the n-th value stands between the first and the last, from 0 to 1.
func share(x []float64, n int) float64 {
	first, last := x[0], x[len(x)-1]
	if first == last {
		return 0.5
	}
	return math.Log(x[n]/first) / math.Log(last/first)
}

// scale is the values of about four lines from 0 to above the highest value.
func scale(lines [][]float64) []float64 {
	highest := 0.0
	for _, y := range lines {
		if len(y) > 0 {
			highest = max(highest, slices.Max(y))
		}
	}
	if highest == 0 {
		highest = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(highest/4)))
	for _, times := range []float64{1, 2, 2.5, 5, 10} {
		if 4*times*step >= highest {
			step *= times
			break
		}
	}
	ticks := []float64{0}
	for ticks[len(ticks)-1] < highest {
		ticks = append(ticks, float64(len(ticks))*step)
	}
	return ticks
}

// number has three digits at least that matter, and no more than are worth reading.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(math.Round(v), 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func escaped(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // a strings.Builder takes everything
	return out.String()
}
