"""Stand-ins of the languages beyond OpenAI's and Anthropic's: enough of each for a conversation, tools and a stream.

They answer what a `Turn` comes to, as all stand-ins do, and refuse a wrong path or key. What else a vendor would refuse
is judged elsewhere, by its own SDK's types.
"""

from __future__ import annotations

from ..vendor import Vendor
from .cohere import Cohere
from .converse import Bedrock
from .gemini import Gemini
from .mistral import Mistral
from .ollama import Ollama

LANGUAGES: dict[str, type[Vendor]] = {vendor.prefix: vendor for vendor in (Bedrock, Cohere, Gemini, Mistral, Ollama)}
"""By LiteLLM's prefix."""
