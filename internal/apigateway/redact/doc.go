// Package redact takes secrets out of log text and puts a placeholder in their
// place that tells their length: [REDACTED:23].
//
// A secret is known by its name or by its form. Names are those of headers, JSON
// members, query parameters, form fields, cookies and XML elements; they are
// recognised at any depth of JSON, in JSON within JSON strings, in URLs, in header
// maps as API Gateway prints them ({a=b, c=d}), and in text that was cut off in the
// middle. Forms are those of JSON web tokens, AWS keys, credentials after their
// scheme, private keys and a few well-known vendors' tokens.
//
// Nearly all log lines hold no secret, so text is first searched for the words that
// must be in it if it does ([finder]), in one pass and without looking at its
// grammar. Only around such a word is there a closer look.
//
// Redacting twice is the same as redacting once, valid JSON stays valid JSON, and
// text does not grow beyond a few times its length. What cannot be recognised is
// listed in docs/events.md.
package redact
