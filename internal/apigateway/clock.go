package apigateway

import "time"

// clockLength is the length of the common log format's time.
const clockLength = len("27/Feb/2019:11:31:00 +0000")

// parseRequestTime parses the common log format's time. It stands in nearly
// every access log, and time.Parse takes several times as long.
func parseRequestTime(text []byte) (instant, bool) {
	if len(text) != clockLength {
		return instant{}, false
	}
	if text[2] != '/' || text[6] != '/' || text[11] != ':' || text[14] != ':' || text[17] != ':' || text[20] != ' ' {
		return instant{}, false
	}
	month := monthOf(text[3:6])
	day, century, ofCentury := pair(text[0:]), pair(text[7:]), pair(text[9:])
	hour, minute, second := pair(text[12:]), pair(text[15:]), pair(text[18:])
	hours, minutes := pair(text[22:]), pair(text[24:])
	if min(day, century, ofCentury, hour, minute, second, hours, minutes) < 0 {
		return instant{}, false
	}
	offset := (hours*60 + minutes) * 60
	switch {
	case month == 0 || day == 0 || hour > 23 || minute > 59 || second > 59:
		return instant{}, false
	case text[21] == '-':
		offset = -offset
	case text[21] != '+':
		return instant{}, false
	}
	t := time.Date(100*century+ofCentury, month, day, hour, minute, second, 0, time.UTC)
	if t.Day() != day {
		return instant{}, false // a day that the month does not have
	}
	return validInstant(t.UnixMilli() - int64(offset)*1000)
}

// pair is the number of the two digits that a text begins with, or less than 0.
func pair(text []byte) int {
	tens, ones := text[0]-'0', text[1]-'0'
	if tens > 9 || ones > 9 {
		return -1
	}
	return int(10*tens + ones)
}

// monthOf is 0 for what is no month.
func monthOf(name []byte) time.Month {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for m := range 12 {
		if string(name) == names[3*m:3*m+3] {
			return time.Month(m + 1)
		}
	}
	return 0
}

// number is the value of digits that are few enough for an int64.
func number(digits []byte) int64 {
	n := int64(0)
	for _, c := range digits {
		n = 10*n + int64(c-'0')
	}
	return n
}

// appendTime appends a time as an RFC 3339 string with milliseconds, in UTC. Every event
// has one, and the time package takes ten times as long.
func appendTime(dst []byte, millis int64) []byte {
	const perDay = 24 * 60 * 60 * 1000
	if _, ok := validInstant(millis); !ok {
		return time.UnixMilli(millis).UTC().AppendFormat(dst, `"2006-01-02T15:04:05.000Z"`)
	}
	year, month, day := civil(millis / perDay)
	rest := int(millis % perDay)
	second := rest / 1000
	return append(dst, '"',
		decimal(year/1000), decimal(year/100), decimal(year/10), decimal(year), '-',
		decimal(month/10), decimal(month), '-',
		decimal(day/10), decimal(day), 'T',
		decimal(second/36000), decimal(second/3600), ':',
		decimal(second/600%6), decimal(second/60), ':',
		decimal(second/10%6), decimal(second), '.',
		decimal(rest/100), decimal(rest/10), decimal(rest), 'Z', '"')
}

// decimal is the last digit of a number.
func decimal(n int) byte { return byte('0' + n%10) }

// civil is the date of a day since 1970. Years are counted from March, so that the day
// which some of them have more is their last.
func civil(days int64) (year, month, day int) {
	const (
		perEra     = 146097 // days of 400 years
		toEpoch    = 719468 // from the first day of March of the year 0
		perCentury = 36524
		perFour    = 1461
	)
	days += toEpoch
	era, ofEra := days/perEra, int(days%perEra)
	ofYear := (ofEra - ofEra/(perFour-1) + ofEra/perCentury - ofEra/(perEra-1)) / 365
	ofDays := ofEra - (365*ofYear + ofYear/4 - ofYear/100)
	fromMarch := (5*ofDays + 2) / 153
	day = ofDays - (153*fromMarch+2)/5 + 1
	month = fromMarch + 3
	year = int(era)*400 + ofYear
	if month > 12 {
		month, year = month-12, year+1
	}
	return year, month, day
}
