package alerts

import (
	"strconv"
	"strings"
	"time"
)

// number writes a number for people: 14.4, 6, 0.933.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// percent writes a share for people: 99.5%.
func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 5, 64) + "%"
}

// days writes a long time for people, in days or hours.
func days(d time.Duration) string {
	if d >= 3*day {
		return number(d.Hours()/24) + " days"
	}
	return number(d.Hours()) + " hours"
}

// sentence ends a text with a full stop.
func sentence(text string) string { return strings.TrimSuffix(text, ".") + "." }

// pace writes for people how fast a budget burns.
func pace(factor float64) string {
	if factor <= 1 {
		return "faster than it may"
	}
	return "more than " + number(factor) + " times as fast as it may"
}
