"""Where references point to: a module a scheme, each with `fetch(name, environ, deadline)`."""
