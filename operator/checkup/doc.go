// Package checkup looks whether a pipeline could run: at its settings, and at everything
// it depends on. It tries each thing as the processes do it, as harmlessly as that can be
// done, and says what it did not try and why.
package checkup
