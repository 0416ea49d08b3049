export default {testDir:'e2e',workers:1,use:{launchOptions:{executablePath:process.env.CHROMIUM}}}
