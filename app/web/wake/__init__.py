"""The routes and the page for proxies that authorize each request: ForwardAuth and `auth_request`."""
