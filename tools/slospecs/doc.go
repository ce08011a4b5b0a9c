// Package slospecs holds no code but tests: it proves that what package alerts
// writes for OpenSLO and Sloth is what OpenSLO's SDK and Sloth itself read, and that
// our burn rates are those of Sloth's tables. Both weigh too much for the modules
// that others import.
package slospecs
