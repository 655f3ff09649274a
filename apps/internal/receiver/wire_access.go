package receiver

// Conversions of keys, users and the audit log to the types of the API.

import (
	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
)

func wireScopes(s access.Scopes) []api.KeyScope {
	return mapped(s.List(), func(scope access.Scope) api.KeyScope { return api.KeyScope(scope) })
}

func wireKey(k access.Key) api.Key {
	return api.Key{
		ID: k.ID, Name: k.Name, Scopes: wireScopes(k.Scopes),
		Limits:    api.KeyLimits{RequestsPerSecond: k.Limits.Rate, Burst: k.Limits.Burst, MaxBody: k.Limits.MaxBody},
		CreatedAt: k.CreatedAt.UTC(), ExpiresAt: timeOrNull(k.ExpiresAt), RevokedAt: timeOrNull(k.RevokedAt), LastUsedAt: timeOrNull(k.LastUsedAt),
	}
}

func wireDeclaredKey(k access.Key) api.DeclaredKey {
	whole := wireKey(k)
	return api.DeclaredKey{ID: whole.ID, Name: whole.Name, Scopes: whole.Scopes, Limits: whole.Limits, ExpiresAt: whole.ExpiresAt}
}

func wireUser(u access.User) api.User {
	return api.User{ID: u.ID, Name: u.Name, Role: api.Role(u.Role), CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC()}
}

func wireEntry(e access.Entry) api.AuditEntry {
	w := api.AuditEntry{
		ID: e.ID, At: e.At.UTC(), KeyID: e.KeyID, Action: string(e.Action), Target: e.Target,
		TargetIDs: mapped(e.TargetIDs, func(id string) string { return id }), RequestID: e.RequestID,
	}
	if e.UserID != 0 {
		w.UserID = &e.UserID
	}
	return w
}
