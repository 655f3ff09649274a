// Package webhooks sends events to addresses that others have named, signed after the
// Standard Webhooks specification.
//
// A Sender delivers the events of each webhook from where it stands, and moves on when
// the target has answered 2xx. Which process delivers to which webhook is decided by a
// lease in the database. Events of one image are sent one after another; a few of
// different images at once. After a failure the webhook stands still, and goes on with
// the event that failed: so nothing is lost, and no order is broken.
//
// A Target decides which addresses may be reached, at the moment of connecting.
package webhooks
