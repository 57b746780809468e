"""Campaigns: the facade over phases, roles and the record."""

from alphalab.campaign.campaign import Campaign
from alphalab.campaign.config import CampaignConfig, read_config, write_config
from alphalab.campaign.recovery import recover
from alphalab.campaign.result import CampaignResult

__all__ = ["Campaign", "CampaignConfig", "CampaignResult", "read_config", "recover", "write_config"]
